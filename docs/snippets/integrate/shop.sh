#!/bin/sh
# A shop's three calls to shareauth with curl.
#
# SHAREAUTH_URL=https://auth.example SHAREAUTH_TOKEN=saa_… sh shop.sh visit LINK CUSTOMER NAME
# … sh shop.sh balance USER
# … sh shop.sh paid USER ORDER AMOUNT
set -eu

call() { # METHOD PATH [BODY [KEY]]
  curl --silent --show-error --fail-with-body --max-time 10 --request "$1" \
    --header "Authorization: Bearer $SHAREAUTH_TOKEN" \
    --header "Content-Type: application/json" \
    ${4:+--header "Idempotency-Key: $4"} ${3:+--data "$3"} \
    "$SHAREAUTH_URL/admin/api/v1$2"
}

case "$1" in
visit) # at your login: the answer has user_id and visitor_url
  call POST /visitor-urls \
    "{\"link_id\": $2, \"subject\": \"$3\", \"create_user\": true, \"name\": \"$4\", \"ttl_s\": 600}"
  ;;
balance)
  call GET "/users/$2/wallet"
  ;;
paid) # the order number is the key: however often it is sent, it counts once
  call POST "/users/$2/top-ups" "{\"amount\": \"$4\", \"reason\": \"order $3\"}" "order-$3"
  ;;
esac
