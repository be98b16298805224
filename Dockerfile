# One image for every process of liandong; the command says which.
FROM python:3.11-slim-bookworm

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1
RUN apt-get update \
    && apt-get install -y --no-install-recommends fonts-noto-cjk \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/liandong --create-home liandong \
    # A new volume takes over whose its place in the image is: the broker's files belong to Mosquitto's user.
    && install --directory --owner 1883 --group 1883 /var/lib/liandong-broker \
    && install --directory --owner 1883 --group 1883 --mode 700 /var/lib/liandong-authority

WORKDIR /opt/liandong
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY alerts alerts
COPY api api
COPY governance governance
COPY ingest ingest
COPY models models
COPY registry registry
COPY simulators simulators
RUN pip install --constraint constraints.txt .

USER liandong
ENV LIANDONG_DATA_DIR=/var/lib/liandong
EXPOSE 8000
ENTRYPOINT ["liandong"]
CMD ["--help"]
