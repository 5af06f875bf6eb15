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


# The wheel is made here, so that what makes it is in neither image.
FROM base AS wheel

WORKDIR /src
COPY requirements-build.lock ./
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes --requirement requirements-build.lock
COPY . ./
RUN python -m hatchling build -t wheel -d /wheel


FROM base AS web

# For PDFs: a server without the letters of a text refuses to make one.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends fonts-dejavu-core fonts-noto-cjk \
 && rm -rf /var/lib/apt/lists/*

# The packages before the wheel: a change of ours does not fetch them again.
RUN --mount=type=bind,source=requirements-web.lock,target=/requirements.lock \
    pip install --no-cache-dir --disable-pip-version-check --require-hashes --requirement /requirements.lock
RUN --mount=type=bind,from=wheel,source=/wheel,target=/wheel \
    pip install --no-cache-dir --disable-pip-version-check --no-deps /wheel/*.whl

USER 10001
EXPOSE 8000
CMD ["web", "--host", "0.0.0.0"]


FROM base AS worker

RUN --mount=type=bind,source=requirements-worker.lock,target=/requirements.lock \
    pip install --no-cache-dir --disable-pip-version-check --require-hashes --requirement /requirements.lock
RUN --mount=type=bind,from=wheel,source=/wheel,target=/wheel \
    pip install --no-cache-dir --disable-pip-version-check --no-deps /wheel/*.whl

USER 10001
CMD ["worker"]
