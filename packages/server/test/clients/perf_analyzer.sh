#!/usr/bin/env bash
# Triton's perf_analyzer against HTTP and gRPC: it reads metadata, configuration and statistics, and sends tensors of zeros.
set -euo pipefail
[ -z "${PERF_ANALYZER_MISSING:-}" ] || { echo "no perf_analyzer: $PERF_ANALYZER_MISSING"; exit 77; }
export LD_LIBRARY_PATH=$PERF_ANALYZER_LIBRARIES

# Eight requests at the least, one and then two at a time.
measure() {
  "$PERF_ANALYZER" -m mobilenet_v2 --input-data zero --concurrency-range 1:2 --max-threads 2 -s 999 \
    --measurement-mode count_windows --measurement-request-count 8 --max-trials 3 "$@" 2>&1
}
# Fails unless both had answers and the server's own statistics were understood.
check() {
  local rates
  rates=$(sed -n 's/.*throughput: \([0-9.]*\) infer\/sec, latency.*/\1/p' <<<"$1")
  [ "$(wc -l <<<"$rates")" = 2 ] && ! grep -qx '0' <<<"$rates" || { echo "$1"; exit 1; }
  grep -q 'compute infer' <<<"$1" || { echo "no statistics: $1"; exit 1; }
}
http=$(measure -u "${SERVER#http://}") || { echo "$http"; exit 1; }
check "$http"
packed=$(measure -u "$GRPC" -i grpc -b 2) || { echo "$packed"; exit 1; }
check "$packed"
streamed=$(measure -u "$GRPC" -i grpc --streaming) || { echo "$streamed"; exit 1; }
[ "$(grep -c 'throughput: [1-9]' <<<"$streamed")" = 2 ] || { echo "$streamed"; exit 1; }
echo "perf_analyzer: HTTP, gRPC with 2 pictures a request, streams; pictures of zeros"
