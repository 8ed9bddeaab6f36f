# frozen_string_literal: true

require "rails/engine"

# So that Rails finds QRGate::HooksController in app/controllers/qrgate.
ActiveSupport::Inflector.inflections(:en) { |inflect| inflect.acronym "QRGate" }

module QRGate
  # The hooks, to be mounted at the path of proxy.toml: `mount QRGate::Engine => "/_qr"`.
  class Engine < ::Rails::Engine
    isolate_namespace QRGate

    config.app_middleware.use Stay

    initializer "qrgate.helper" do
      ActiveSupport.on_load(:action_view) { include Helper }
    end

    # A password that was typed: the hooks return the time as auth_time. Remember-me cookies do not count.
    initializer "qrgate.devise" do
      config.after_initialize do
        next unless defined?(::Devise)

        Warden::Manager.after_authentication do |_user, warden, _options|
          strategies = ::Devise::Strategies
          next unless warden.winning_strategy.is_a?(strategies::Authenticatable)
          next if defined?(strategies::Rememberable) && warden.winning_strategy.is_a?(strategies::Rememberable)

          warden.raw_session["auth_time"] = Time.now.to_i
        end
      end
    end

    # Not for tasks and the console, which need no secret.
    server { QRGate.configuration.check! }
  end
end
