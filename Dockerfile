# Two stages: pip and its caches stay in the first.
FROM python:3.12-slim AS build
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY deploy/requirements.lock ./deploy/requirements.lock
RUN pip install --require-hashes -r deploy/requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY dispatcher ./dispatcher
RUN pip install --no-deps .

FROM python:3.12-slim
RUN useradd --system --no-create-home --uid 10001 dispatcher
COPY --from=build /opt/venv /opt/venv
COPY deploy/healthcheck.py /opt/healthcheck.py
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 DISPATCHER_HOST=0.0.0.0 DISPATCHER_PORT=8080
# dispatcher.yaml, if there is one, is mounted here. `docker run IMAGE check` and every other command work, too
WORKDIR /etc/dispatcher
USER 10001
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
    CMD ["python", "/opt/healthcheck.py"]
ENTRYPOINT ["dispatcher"]
CMD ["serve"]
