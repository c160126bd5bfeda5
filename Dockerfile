# syntax=docker/dockerfile:1
# riskstream as an image: built on Debian, run as a user without rights. The image holds the shipped pipelines and
# model; mount your own and name them: docker run ... riskstream run /etc/riskstream/pipeline.yaml
# The images that it begins with are named by digest, too: docker buildx imagetools inspect IMAGE:TAG shows a newer one.

FROM rust:1.95-bookworm@sha256:6258907abe69656e41cd992e0b705cdcfabcbbe3db374f92ed2d47121282d4a1 AS chef
RUN cargo install --locked --version 0.1.78 cargo-chef
WORKDIR /build
COPY scripts scripts
RUN scripts/setup build && scripts/setup login

# The recipe says which libraries there are. It changes with the manifests only.
FROM chef AS recipe
COPY . .
RUN cargo chef prepare --recipe-path /recipe.json

FROM chef AS build
COPY --from=recipe /recipe.json /recipe.json
# A layer of their own for the libraries: it is built again when the recipe changes.
RUN cargo chef cook --release --locked --package riskstream --features oidc --recipe-path /recipe.json
COPY . .
RUN cargo build --release --locked --package riskstream --features oidc

FROM debian:bookworm-slim@sha256:7b140f374b289a7c2befc338f42ebe6441b7ea838a042bbd5acbfca6ec875818
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libcurl4 libssl3 libstdc++6 zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 10001 riskstream \
    && useradd --system --uid 10001 --gid riskstream --no-create-home --shell /usr/sbin/nologin riskstream \
    && install -d -m 0700 -o riskstream -g riskstream /var/lib/riskstream
COPY --from=build /build/target/release/riskstream /usr/local/bin/riskstream
COPY pipelines /opt/riskstream/pipelines
COPY models /opt/riskstream/models
COPY schemas /opt/riskstream/schemas
WORKDIR /opt/riskstream
USER 10001:10001
# State: mount a volume that outlives the container.
VOLUME /var/lib/riskstream
EXPOSE 9464
ENTRYPOINT ["riskstream"]
CMD ["--help"]
