# The image of the processors and the command line. Build it with `make image`, which first puts the
# wheels of requirements/runtime.lock and of this project into build/wheels: nothing is downloaded
# here.
FROM python:3.11-slim AS install
COPY requirements/runtime.lock /build/
COPY build/wheels /build/wheels
RUN python -m venv /opt/rfm-streams \
    && /opt/rfm-streams/bin/pip install --no-cache-dir --no-index --find-links /build/wheels \
        --require-hashes --requirement /build/runtime.lock \
    && /opt/rfm-streams/bin/pip install --no-cache-dir --no-index --no-deps \
        /build/wheels/rfm_streams-*.whl

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin rfm
COPY --from=install /opt/rfm-streams /opt/rfm-streams
ENV PATH=/opt/rfm-streams/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER rfm
ENTRYPOINT ["rfm-streams"]
CMD ["--help"]
