FROM python:3.11-slim
WORKDIR /src
COPY . .
RUN pip install --no-cache-dir --constraint constraints.txt torch \
 && pip install --no-cache-dir --constraint constraints.txt '.[all]' \
 && useradd --create-home hpsearch \
 && mkdir /data && chown hpsearch /data
WORKDIR /home/hpsearch
USER hpsearch
