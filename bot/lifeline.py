"""A child process that ends when its parent does, however that happened."""

import os
import threading
import time


def end_with(parent: int) -> None:
    """Watch the parent from a thread; a killed parent can't end its children itself."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
