"""All conversations there are: a new flow is one line here."""

from handlers.conversation import Flow, Step
from handlers.conversations import home, privacy, registration, staff

FLOWS: tuple[Flow, ...] = (registration.FLOW, home.FLOW, privacy.FLOW, staff.FLOW)
FIRST_STEP = registration.FLOW.steps[0].name
STAFF_FIRST_STEP = staff.FLOW.steps[0].name
STEPS: dict[str, tuple[Flow, Step]] = {step.name: (flow, step) for flow in FLOWS for step in flow.steps}
