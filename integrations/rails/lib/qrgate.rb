# frozen_string_literal: true

require "qrgate/version"
require "qrgate/configuration"
require "qrgate/replay"
require "qrgate/signature"
require "qrgate/session_name"
require "qrgate/accounts"
require "qrgate/helper"
require "qrgate/stay"
require "qrgate/hooks"

# The application's side of qrgate. `qrgate-rails` adds the engine; without it, include `QRGate::Hooks` in a controller.
module QRGate
  class << self
    # Settings, for config/initializers/qrgate.rb.
    def configure
      yield configuration
    end

    def configuration
      @configuration ||= Configuration.new
    end
  end
end
