# Two stages: the toolchain builds, a small Debian image runs.
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev make && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked && cp target/release/pushgate /pushgate

FROM debian:bookworm-slim
# The system's roots are what wss:// connections are checked against.
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin pushgate \
    && install -d -o pushgate -g pushgate /data
COPY --from=build /pushgate /usr/local/bin/pushgate
COPY config /etc/pushgate
USER pushgate
VOLUME /data
EXPOSE 8080 9090
# `health` asks /readyz of the configured admin listener.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
    CMD ["pushgate", "health", "--config", "/etc/pushgate/staging.toml"]
ENTRYPOINT ["pushgate"]
CMD ["serve", "--config", "/etc/pushgate/staging.toml"]
