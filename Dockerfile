FROM python:3.11-slim
# An index of CPU-only torch builds; without one torch comes with CUDA.
ARG TORCH_INDEX
WORKDIR /src
COPY . .
RUN pip install --no-cache-dir --constraint constraints.txt \
        ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} torch \
 && pip install --no-cache-dir --constraint constraints.txt '.[all]' \
 && useradd --create-home hpsearch \
 && mkdir /data && chown hpsearch /data
WORKDIR /home/hpsearch
USER hpsearch
