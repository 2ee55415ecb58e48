"""The little of curl that the documentation uses: a POST of JSON, and the body of the answer."""

import argparse
import sys
import urllib.request

parser = argparse.ArgumentParser()
parser.add_argument("-s", action="store_true", required=True)
parser.add_argument("-H", dest="header", required=True)
parser.add_argument("-d", dest="data", required=True)
parser.add_argument("url")
given = parser.parse_args()

name, _, value = given.header.partition(": ")
asked = urllib.request.Request(given.url, given.data.encode(), {name: value})
with urllib.request.urlopen(asked, timeout=30) as answer:
    sys.stdout.write(answer.read().decode())
