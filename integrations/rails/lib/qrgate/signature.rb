# frozen_string_literal: true

require "active_support/security_utils"
require "json"
require "openssl"

module QRGate
  # Calls that are signed according to Standard Webhooks.
  module Signature
    # How many seconds the timestamp of a call may differ from this computer's clock.
    TOLERANCE = 60

    # How many seconds an accepted call is remembered: longer than its timestamp is valid.
    REMEMBERED = 900

    module_function

    # The key in a secret as `qrgate secret` prints it. Raises ConfigurationError for anything else, and for a key
    # under 32 bytes.
    def key(secret)
      key = secret.to_s.delete_prefix("whsec_").unpack1("m0")
      return key if key.bytesize >= 32

      raise ArgumentError
    rescue ArgumentError
      raise ConfigurationError, "qrgate: a secret is not whsec_ and the base64 of 32 bytes or more. `qrgate secret` prints one"
    end

    # The message of a signed call, or nil: for a bad signature, a timestamp that is off, a call that was signed for
    # something else than `type` at `path` of one of the origins, and one that was accepted before.
    def accepted(body, headers, type:, path:, configuration:)
      id, timestamp, signatures = %w[id timestamp signature].map { |name| headers["webhook-#{name}"].to_s.b }
      return if id.empty? || !recent?(timestamp)
      return unless signed?("#{id}.#{timestamp}.".b + body.b, signatures, configuration.keys)

      message = parsed(body)
      return unless message && meant?(message, type, path, configuration.origins)

      message if configuration.replay.add("#{id}:#{timestamp}", REMEMBERED)
    end

    # Whether one of the signatures is that of one of the keys.
    def signed?(content, signatures, keys)
      wanted = keys.map { |key| "v1,#{[OpenSSL::HMAC.digest("SHA256", key, content)].pack("m0")}" }
      signatures.split.product(wanted).any? { |got, want| ActiveSupport::SecurityUtils.secure_compare(got, want) }
    end

    def recent?(timestamp)
      timestamp.match?(/\A\d{1,12}\z/) && (Time.now.to_i - timestamp.to_i).abs <= TOLERANCE
    end

    # Compared with a setting: the caller chooses the Host field.
    def meant?(message, type, path, origins)
      origin = message["origin"]
      message.values_at("type", "method", "url") == [type, "POST", "#{origin}#{path}"] && origins.include?(origin)
    end

    def parsed(body)
      message = JSON.parse(body)
      message if message.is_a?(Hash)
    rescue JSON::ParserError
      nil
    end
  end
end
