#!/bin/bash
# The package's own tests: types, units, and the hook contract with each kind of session.
set -euo pipefail
cd "$(dirname "$0")"
npm test --silent
