# The slim image brings the system's certificates; the OpenAI client trusts those and no bundle of its own.
FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 PENSTOCK_DATA=/data

# The packages before the source: a change of ours does not fetch them again.
COPY requirements.lock /src/
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes --requirement /src/requirements.lock

COPY . /src
RUN pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation /src \
 && useradd --system --no-create-home penstock \
 && install --directory --owner penstock --mode 0700 /data

USER penstock
# A penstock.toml in the data volume is found here.
WORKDIR /data
VOLUME /data
EXPOSE 8000
ENTRYPOINT ["penstock"]
