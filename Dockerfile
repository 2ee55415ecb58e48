# docker build -t shareauth .
# docker run -p 8080:8080 -v shareauth:/var/lib/shareauth shareauth
#
# Settings come from the environment, see config.example.toml. The root file system may be
# read-only: all that is written goes to /var/lib/shareauth, and to /dev/shm.

FROM python:3.13-slim AS build
RUN python -m venv /srv/venv
COPY requirements.lock /srv/shareauth/
RUN /srv/venv/bin/python -m pip install --no-cache-dir --require-hashes --only-binary :all: \
      -r /srv/shareauth/requirements.lock
COPY pyproject.toml README.md LICENSE /srv/shareauth/
COPY app /srv/shareauth/app
COPY migrations /srv/shareauth/migrations
RUN /srv/venv/bin/python -m pip install --no-cache-dir --no-deps --no-build-isolation \
      --editable /srv/shareauth \
 && /srv/venv/bin/python -m compileall -q /srv \
 && /srv/venv/bin/python -m pip uninstall --yes setuptools pip

FROM python:3.13-slim
RUN python -m pip uninstall --yes pip \
 && groupadd --gid 10001 shareauth \
 && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin shareauth \
 && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/shareauth
COPY --from=build /srv /srv
ENV PATH=/srv/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SHAREAUTH_SERVICE__HOST=0.0.0.0 \
    SHAREAUTH_SERVICE__DATA_DIR=/var/lib/shareauth
WORKDIR /srv/shareauth
USER 10001:10001
VOLUME /var/lib/shareauth
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('SHAREAUTH_SERVICE__PORT', '8080') + '/healthz', timeout=2)"]
ENTRYPOINT ["shareauth"]
CMD ["serve"]
