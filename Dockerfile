# Pumpwatch: one image for every part; docker-compose.yml says which part each service runs.
# A simulation and no medical device.

FROM python:3.12-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY pumpwatch pumpwatch
COPY broker broker
COPY simulator simulator
COPY processor processor
COPY dashboard dashboard
COPY trials trials
RUN pip install --no-cache-dir --prefix=/installed .

FROM python:3.12-slim
COPY --from=build /installed /usr/local
# The owner of /data is taken over by a volume that is mounted there for the first time.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin pumpwatch \
 && install --directory --owner=pumpwatch --mode=0750 /data
USER pumpwatch
WORKDIR /data
ENV PUMPWATCH_DATA=/data \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
CMD ["pumpwatch", "--help"]
