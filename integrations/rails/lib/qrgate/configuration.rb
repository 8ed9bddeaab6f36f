# frozen_string_literal: true

require "uri"

module QRGate
  class ConfigurationError < StandardError; end

  # The settings. Each has a default; `secret` and `origins` come from the environment.
  class Configuration
    # The text of hook.secret; several, as a list or separated by spaces, during a rotation.
    attr_writer :secret
    # The site's public origins, such as https://app.example.com.
    attr_writer :origins
    # A store of accepted calls: an object with `add(key, seconds)`, which returns whether the key is new, in one
    # atomic step.
    attr_writer :replay
    # The model of users. Default: that of the Devise scope, or User.
    attr_writer :user_class
    # The key of the session that holds the user's id, where neither Devise nor Rails' own authentication signs people
    # in.
    attr_accessor :session_key
    # The Devise scope.
    attr_writer :scope
    # tickets.path of proxy.toml.
    attr_accessor :ticket_path

    def initialize
      @session_key = :user_id
      @ticket_path = "/qr/"
    end

    # How the application finds and signs in its users, where the defaults do not fit. Blocks run in the hooks'
    # controller.
    #
    #   config.load { |id| Account.active.find_by(public_id: id) }
    #   config.login { |user| reset_session; session[:account] = user.public_id }
    #   config.current_user { Account.active.find_by(public_id: session[:account]) }
    #   config.user_id { |user| user.public_id }
    #   config.allow { |user| !user.admin? }
    %i[load login current_user user_id name active allow].each do |name|
      define_method(name) do |&block|
        return instance_variable_get("@#{name}") unless block

        instance_variable_set("@#{name}", block)
      end
    end

    def user_class
      (@user_class || "User").to_s.constantize
    end

    def scope
      @scope || Devise.default_scope
    end

    # The keys of the secrets. Raises ConfigurationError for a missing, malformed or short one.
    def keys
      @keys ||= secrets.map { |secret| Signature.key(secret) }
    end

    # Raises ConfigurationError where none is set, or one is not an origin.
    def origins
      @checked_origins ||= words(@origins || ENV.fetch("QRGATE_ORIGINS", "")).each { |text| check_origin(text) }
      return @checked_origins if @checked_origins.any?

      raise ConfigurationError, "qrgate: no origin. Set QRGATE_ORIGINS to the address that browsers see: https://app.example.com"
    end

    def replay
      @replay ||= Replay.default(Rails.cache, Rails.root.join("tmp/qrgate"))
    end

    # Raises ConfigurationError for whatever would make the hooks fail. Logs what several computers would need.
    def check!
      keys
      origins
      return unless Rails.env.production? && replay.is_a?(Replay::Files)

      Rails.logger&.warn(format(Replay::FILES_ONLY, Rails.cache.class))
    end

    private

    def secrets
      file = ENV["QRGATE_HOOK_SECRET_FILE"]
      text = @secret || ENV["QRGATE_HOOK_SECRET"].presence || (file.present? ? File.read(file) : "")
      return words(text) if words(text).any?

      raise ConfigurationError, "qrgate: no secret. Set QRGATE_HOOK_SECRET_FILE to the path of hook.secret, or " \
                                "QRGATE_HOOK_SECRET to its text"
    end

    def words(value)
      value.is_a?(Array) ? value : value.to_s.split(/[\s,]+/).reject(&:empty?)
    end

    def check_origin(text)
      return if origin?(text)

      raise ConfigurationError, "qrgate: #{text} is not an origin: write scheme and host alone, as in https://app.example.com"
    end

    def origin?(text)
      uri = URI.parse(text)
      uri.is_a?(URI::HTTP) && uri.host.present? && [uri.path, uri.query, uri.fragment, uri.userinfo].all?(&:blank?)
    rescue URI::InvalidURIError
      false
    end
  end
end
