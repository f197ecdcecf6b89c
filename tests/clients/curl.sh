#!/usr/bin/env bash
# Follows a stream with curl:
#
#     ./curl.sh http://127.0.0.1:8080/events/acme
#
# Prints the cursor and the push id of each push. With a second argument the cursor is kept in that file, so that the next run
# goes on where this one ended. A look at a stream needs no script: curl -N http://127.0.0.1:8080/events/acme
set -euo pipefail

url=$1
file=${2:-}
cursor=""
retry=3000
status=000
if [ -n "$file" ] && [ -f "$file" ]; then cursor=$(<"$file"); fi

# What is done for a push, given its cursor and its data. It may come twice, if seldom: after a crash of this script.
handle() {
    local id=${2#*\"id\":\"}
    echo "$1 ${id%%\"*}"
}

# Headers that curl reads from a file, because everybody may see a command line.
headers() {
    echo 'Accept: text/event-stream'
    if [ -n "$cursor" ]; then echo "Last-Event-ID: $cursor"; fi
    if [ -n "${PUSHGATE_TOKEN:-}" ]; then echo "Authorization: Bearer $PUSHGATE_TOKEN"; fi
}

# Nothing is held back; the probes of TCP find a line that is dead. Behind the end of a stream curl writes the status, in the
# form of one more field.
follow() {
    curl --no-buffer --silent --keepalive-time 15 --header @<(headers) --write-out '\nstatus: %{http_code}\n' "$url" || true
}

while true; do
    id="" event="" data=""
    while IFS= read -r line; do
        case $line in
        'id: '*) id=${line#id: } ;;
        'event: '*) event=${line#event: } ;;
        'data: '*) data=${line#data: } ;;
        'retry: '*) retry=${line#retry: } ;;
        'status: '*) status=${line#status: } ;;
        '') # The end of an event. One that a break cut in two has no data, or no end.
            if [ -n "$data" ]; then
                if [ -z "$event" ]; then handle "$id" "$data"; fi
                if [ "$event" = gap ]; then echo "gap: $data" >&2; fi
                cursor=${id:-$cursor}
                if [ -n "$file" ]; then echo "$cursor" >"$file"; fi
            fi
            id="" event="" data=""
            ;;
        esac
    done < <(follow)
    case $status in
    200 | 408 | 429 | 5?? | 000) sleep "$((retry / 1000)).$(printf %03d $((retry % 1000)))" ;;
    *) echo "refused: $status" >&2 && exit 1 ;;
    esac
done
