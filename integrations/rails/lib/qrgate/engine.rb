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

    # A password that was typed: the hooks return the time as auth_time. Cookies that remember a person prove nothing anew.
    initializer "qrgate.devise" do
      config.after_initialize do
        next unless defined?(::Devise)

        Warden::Manager.after_authentication do |_user, warden, _options|
          strategy = warden.winning_strategy
          remembered = defined?(::Devise::Strategies::Rememberable) && strategy.is_a?(::Devise::Strategies::Rememberable)
          warden.raw_session["auth_time"] = Time.now.to_i if strategy.is_a?(::Devise::Strategies::Authenticatable) && !remembered
        end
      end
    end

    # Not for tasks and the console, which need no secret.
    server { QRGate.configuration.check! }
  end
end
