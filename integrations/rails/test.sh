#!/bin/bash
# The gem's own tests: units in Ruby, and the hook contract with each way to sign people in, on Puma.
set -euo pipefail
cd "$(dirname "$0")"
ruby -W:no-deprecated test/units_test.rb
node --test test/
