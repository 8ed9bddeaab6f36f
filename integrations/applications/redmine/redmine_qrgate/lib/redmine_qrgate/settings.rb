# frozen_string_literal: true

module RedmineQrgate
  # Administration → Plugins → qrgate → Configure. Settings that are empty there come from the environment, as in qrgate-rails.
  module Settings
    DEFAULTS = { 'secret' => '', 'origins' => '', 'administrators' => '0' }.freeze

    class << self
      def stored
        DEFAULTS.merge(Setting.plugin_redmine_qrgate.to_h)
      end

      # For QRGate::Hooks.
      def configuration(values = stored)
        QRGate::Configuration.new.tap do |configuration|
          configuration.secret = values['secret'].presence
          configuration.origins = values['origins'].presence || default_origins
          configuration.replay = AcceptedCall
        end
      end

      # The public address that Administration → Settings → General has, unless the environment names others.
      def default_origins
        ENV['QRGATE_ORIGINS'].presence || "#{Setting.protocol}://#{Setting.host_name.to_s[%r{\A[^/]*}]}"
      end

      # The key of the message about invalid values, or nil. A secret may be missing.
      def error(values)
        configuration = configuration(values)
        part = :error_qrgate_secret
        configuration.keys if values['secret'].present?
        part = :error_qrgate_origins
        configuration.origins
        nil
      rescue QRGate::ConfigurationError
        part
      end

      # Whether a person may sign in by code.
      def allows?(user)
        !user.admin? || stored['administrators'] == '1'
      end

      # tickets.path of proxy.toml.
      def ticket_path
        "#{root}/qr/"
      end

      # The settings in proxy.toml for this Redmine.
      def proxy_settings
        tickets = "[tickets]\npath = \"#{ticket_path}\"\n\n" if root.present?
        <<~TOML
          #{tickets}[identify]
          session_cookies = ["#{Rails.application.config.session_options[:key]}"]
          path = "#{root}/_qr/whoami"
          login_url = "#{root}/login?back_url={return}"

          [login]
          path = "#{root}/_qr/login"
          revoke_path = "#{root}/_qr/revoke"
          redirect = "#{root}/my/page"
        TOML
      end

      private

      def root
        Redmine::Utils.relative_url_root
      end
    end
  end
end
