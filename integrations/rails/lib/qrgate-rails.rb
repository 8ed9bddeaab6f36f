# frozen_string_literal: true

require "qrgate"
require "qrgate/engine"
