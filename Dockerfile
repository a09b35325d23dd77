# The image of `sidecar serve` and of every other command: `docker run IMAGE backup all`.
#
# Builds the same layers again from the same sources: locked versions with hashes, no cache, SOURCE_DATE_EPOCH (`make image`
# passes it). The base is the one thing that its tag does not fix: give PYTHON_IMAGE as NAME@sha256:… where that matters.
ARG PYTHON_IMAGE=docker.io/library/python:3.13-slim-bookworm
ARG RUST_IMAGE=docker.io/library/rust:1.95-slim-bookworm

# The codec in Rust: one library for every Python from 3.11 on, so that no Python is needed to build it.
FROM ${RUST_IMAGE} AS native
ARG SOURCE_DATE_EPOCH=0
ENV SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH} PYO3_NO_PYTHON=1
WORKDIR /src
COPY native .
RUN cargo build --quiet --release --locked --features python

FROM ${PYTHON_IMAGE} AS build
ARG SOURCE_DATE_EPOCH=0
ENV SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH} PYTHONHASHSEED=0 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_COMPILE=1
WORKDIR /src
COPY requirements.lock requirements-build.lock ./
# Two environments: the tools that build stay behind, what runs has neither pip nor a compiler. Wheels only, on every platform.
RUN python3 -m venv /build \
 && python3 -m venv --without-pip /opt/sidecar \
 && /build/bin/pip install --quiet --require-hashes --only-binary :all: -r requirements-build.lock \
 && /build/bin/pip --python /opt/sidecar/bin/python install --quiet --require-hashes --only-binary :all: -r requirements.lock
COPY . .
COPY --from=native /src/target/release/libsidecar_native.so /dist/sidecar_native.abi3.so
RUN /build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /dist . \
 && /build/bin/pip --python /opt/sidecar/bin/python install --quiet --no-deps --no-index /dist/*.whl \
 && mv /dist/sidecar_native.abi3.so "$(/opt/sidecar/bin/python -c 'import sysconfig; print(sysconfig.get_path("platlib"))')" \
 && /opt/sidecar/bin/python -m compileall -q -j 1 --invalidation-mode unchecked-hash /opt/sidecar/lib \
 && find /opt/sidecar -exec touch --no-dereference --date "@${SOURCE_DATE_EPOCH}" {} +

FROM ${PYTHON_IMAGE}
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="mongodb-backup-sidecar" \
      org.opencontainers.image.description="Checksummed, verified, restorable backups of MongoDB collections" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Where a new named volume takes its owner and mode from. It is no VOLUME: backups in a volume that nobody named would be lost
# with the container, and without one a read-only container says so at its start.
RUN install -d -m 0700 -o 10001 -g 10001 /backups
COPY --from=build /opt/sidecar /opt/sidecar
ENV PATH=/opt/sidecar/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MALLOC_ARENA_MAX=1 \
    BACKUP_DIR=/backups
USER 10001:10001
EXPOSE 8001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["sidecar", "healthcheck"]
ENTRYPOINT ["sidecar"]
CMD ["serve"]
