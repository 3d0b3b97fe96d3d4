# The image of a release: Caddy's own, with the program that .ci/release has built.
# docs/guides/docker.md says how to make one of your own.
FROM caddy:2.11.9
ARG TARGETARCH
COPY dist/image/${TARGETARCH}/caddy /usr/bin/caddy
