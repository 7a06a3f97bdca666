# Two stages: pip, the build backend and their caches stay in the first.
ARG BASE=python:3.12-slim
FROM ${BASE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY deploy/build.lock deploy/requirements.lock ./deploy/
RUN python -m venv /opt/build \
    && /opt/build/bin/pip install --require-hashes --only-binary :all: -r deploy/build.lock \
    && python -m venv --without-pip /opt/venv \
    && /opt/build/bin/pip --python /opt/venv/bin/python install --require-hashes --only-binary :all: -r deploy/requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY dispatcher ./dispatcher
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /opt/wheels . \
    && /opt/build/bin/pip --python /opt/venv/bin/python install --no-deps --no-index /opt/wheels/*.whl

FROM ${BASE}
# Rules may name a time zone, so the image must know them.
RUN test -e /usr/share/zoneinfo/Europe/Berlin \
    && useradd --system --no-create-home --shell /usr/sbin/nologin --uid 10001 dispatcher
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DISPATCHER_HOST=0.0.0.0 DISPATCHER_PORT=8080
# dispatcher.yaml, if there is one, is mounted here. `docker run IMAGE check` and every other command work, too.
WORKDIR /etc/dispatcher
USER 10001
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 CMD ["dispatcher", "healthcheck"]
ENTRYPOINT ["dispatcher"]
CMD ["serve"]
ARG VERSION=unknown
ARG REVISION=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="livekit-dispatcher" \
      org.opencontainers.image.description="The right LiveKit agent in every room. Exactly one. Or you know why not." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}"
