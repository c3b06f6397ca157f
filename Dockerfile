# The steps are those of ./dev, so what runs here is what was tested there.
FROM python:3.13-slim AS build
WORKDIR /srv/pagewalk
RUN python -m venv /opt/venv
COPY requirements.txt .
RUN /opt/venv/bin/pip install --no-cache-dir --require-hashes -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY app app
COPY engine engine
RUN /opt/venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation -e . \
    && /opt/venv/bin/python -m compileall -q app engine

FROM python:3.13-slim
# What a snapshot as PNG is lettered with.
RUN apt-get update && apt-get install -y --no-install-recommends fonts-dejavu-core fonts-wqy-microhei \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --home-dir /data pagewalk && install -d -o pagewalk /data
COPY --from=build /opt/venv /opt/venv
COPY --from=build /srv/pagewalk /srv/pagewalk
COPY templates /srv/pagewalk/templates
COPY static /srv/pagewalk/static
ENV PATH=/opt/venv/bin:$PATH PAGEWALK_DATA=/data PYTHONDONTWRITEBYTECODE=1
USER pagewalk
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
CMD ["pagewalk", "serve", "--host", "0.0.0.0", "--port", "8000"]
