# frozen_string_literal: true

module QRGate
  VERSION = "0.1.0"
end
