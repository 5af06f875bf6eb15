# Two images from one file: `docker build --target web .` has no LangChain, `--target worker` no Flask.
#
# The slim image brings the system's certificates; the OpenAI client trusts those and no bundle of its own. To pin it by
# digest, put what `docker image inspect --format '{{index .RepoDigests 0}}' python:3.12-slim` prints in its place.
FROM python:3.12-slim AS base

ENV PYTHONUNBUFFERED=1 PENSTOCK_DATA=/data
# A number, so that Kubernetes can see that it is not root.
RUN useradd --system --no-create-home --uid 10001 penstock \
 && install --directory --owner penstock --mode 0700 /data /etc/penstock

# A penstock.toml is found here.
WORKDIR /etc/penstock
ENTRYPOINT ["penstock"]


FROM base AS web

# For PDFs: a server without the letters of a text refuses to make one.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends fonts-dejavu-core fonts-noto-cjk \
 && rm -rf /var/lib/apt/lists/*

# The packages before the source: a change of ours does not fetch them again.
COPY requirements-web.lock /src/
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes --requirement /src/requirements-web.lock
COPY . /src
RUN pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation /src

USER 10001
EXPOSE 8000
CMD ["web", "--host", "0.0.0.0"]


FROM base AS worker

COPY requirements-worker.lock /src/
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes --requirement /src/requirements-worker.lock
COPY . /src
RUN pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation /src

USER 10001
CMD ["worker"]
