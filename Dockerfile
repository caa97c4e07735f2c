# The image holds one static binary, the public certificate authorities and a
# directory for the state: no shell, nothing to patch. It runs as an unprivileged
# user on a read-only root file system; README.md shows how.

FROM --platform=$BUILDPLATFORM golang:1.26.8 AS build
WORKDIR /src
COPY . .
ARG TARGETOS
ARG TARGETARCH
ARG VERSION
ARG REVISION
# The same source, version and revision give the same bytes, whoever builds them.
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -buildvcs=false \
    -ldflags "-s -w -X crmsync/connector/app.version=$VERSION -X crmsync/connector/app.revision=$REVISION" \
    -o /image/crmsync .
RUN mkdir /image/data && \
    echo 'crmsync:x:65532:65532:crmsync:/data:/sbin/nologin' >/image/passwd && \
    echo 'crmsync:x:65532:' >/image/group

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /image/passwd /image/group /etc/
COPY --from=build /src/LICENSE /LICENSE
# A new volume takes over the owner of the directory that it covers.
COPY --from=build --chown=65532:65532 /image/data /data
COPY --from=build /image/crmsync /crmsync

# The volume is the only place that has to be writable, so temporary files go
# there too, and so does a state file that is named by a relative path.
ENV CRMSYNC_STATE=/data/crmsync.db TMPDIR=/data
WORKDIR /data
VOLUME /data
USER 65532:65532
EXPOSE 8080
# health gives up after 4 s by itself and says why.
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s --retries=3 CMD ["/crmsync", "health"]
ENTRYPOINT ["/crmsync"]
CMD ["serve"]

ARG VERSION
ARG REVISION
LABEL org.opencontainers.image.title="crmsync" \
      org.opencontainers.image.description="Writes signed webhook events into a CRM, once each" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
