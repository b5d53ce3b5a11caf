#!/usr/bin/env bash
# curl: every route that takes pictures, with the types that curl sends of itself, and what is refused.
set -euo pipefail
cd "$EXAMPLES"
command -v curl >/dev/null || { echo 'no curl'; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Prints the body; fails unless the status is the first word.
ask() {
  local wanted=$1 status
  shift
  status=$(curl -sS -o "$work/body" -w '%{http_code}' "$@")
  [ "$status" = "$wanted" ] || { echo "curl $*: $status, expected $wanted: $(head -c 400 "$work/body")" >&2; return 1; }
  cat "$work/body"
}
# Fails unless the standard input has the text.
has() { grep -qF -- "$1" || { echo "there is no $1 in it" >&2; return 1; }; }
same() { cmp "$1" "$2" || { echo "$1 and $2 differ" >&2; return 1; }; }

ask 200 "$SERVER/livez" | has '"ok"'
ask 200 "$SERVER/readyz" | has '"ok"'
ask 200 "$SERVER/health" | has '"ok"'
ask 200 "$SERVER/ping" | has '"ok"'
ask 200 "$SERVER/" | has '{"status":"alive"}'
ask 200 "$SERVER/v1/models" | has '"mobilenet_v2"'

# Bytes with any type, and with none, are the same picture.
ask 200 --data-binary @dog.jpg "$SERVER/" >"$work/form"
has '"label":"malamute, malemute, Alaskan malamute"' <"$work/form"
ask 200 --data-binary @dog.jpg -H 'content-type: image/jpeg' "$SERVER/models/mobilenet_v2" >"$work/jpeg"
ask 200 --data-binary @dog.jpg -H 'content-type:' "$SERVER/" >"$work/none"
ask 200 --data-binary @dog.jpg -H 'content-type: application/octet-stream' "$SERVER/invocations" >"$work/sagemaker"
for form in jpeg none sagemaker; do same "$work/form" "$work/$form"; done

# JSON, with base64 and as a data: URL; packed with gzip.
b64=$(base64 -w0 dog.jpg)
printf '{"inputs":"%s","parameters":{"top_k":5}}' "$b64" >"$work/json"
printf '{"inputs":"data:image/jpeg;base64,%s"}' "$b64" >"$work/url"
printf '{"instances":[{"b64":"%s"},{"image_bytes":{"b64":"%s"}}],"parameters":{"top_k":1}}' "$b64" "$b64" >"$work/v1"
json=(-H 'content-type: application/json')
for body in json url; do
  ask 200 "${json[@]}" --data-binary @"$work/$body" "$SERVER/" >"$work/answer"
  same "$work/form" "$work/answer"
done
gzip -k "$work/json"
ask 200 "${json[@]}" -H 'content-encoding: gzip' --data-binary @"$work/json.gz" "$SERVER/" >"$work/answer"
same "$work/form" "$work/answer"
for path in v1/models/mobilenet_v2:predict v1/models/mobilenet_v2/versions/1:predict invocations; do
  ask 200 "${json[@]}" --data-binary @"$work/v1" "$SERVER/$path" | has '{"predictions":[{"classes":["malamute, malemute'
done

# Forms.
ask 200 -F a=@dog.jpg -F b=@coffee.jpg "$SERVER/classify" | has '"file":"coffee.jpg","labels":[{"label":"espresso"'
ask 200 -F a=@dog.jpg "$SERVER/segment" | has '"label":"bicycle"'
ask 200 -F a=@dog.jpg "$SERVER/features" | has '"features":['

# Refusals.
ask 400 "${json[@]}" -d '{"inputs":"https://example.com/cat.jpg"}' "$SERVER/" | has 'not fetched'
ask 400 "${json[@]}" -d '{"inputs":' "$SERVER/" | has '"error"'
ask 400 -X POST "$SERVER/" | has '"error"'
ask 404 --data-binary @dog.jpg "$SERVER/models/nothing" | has '"error"'
ask 404 "${json[@]}" -d '{"instances":[]}' "$SERVER/v1/models/mobilenet_v2:explain" | has '"error"'
ask 404 "$SERVER/v1/models/mobilenet_v2/versions/7" | has '"error"'
ask 415 -d 'no picture' "$SERVER/" | has '"error"'

ask 200 "$SERVER/metrics" | has 'mobilenet_requests_total{'
ask 200 "$SERVER/openapi.json" | has '"/v1/models/'
echo 'curl: probes, bytes of any type, JSON, gzip, forms, refusals, metrics'
