# frozen_string_literal: true

require "active_support/message_encryptor"

module QRGate
  # The names by which qrgate asks for the end of a session of Rails' session store: the session id, encrypted with a
  # key of the application, because the id itself signs people in. Sessions of the cookie store have no name: there is
  # nothing on the server to end.
  module SessionName
    module_function

    # The name of the request's session, or nil.
    def of(request)
      return unless stored?

      name = encryptor.encrypt_and_sign(request.session.id.public_id)
      name if name.length <= 128
    end

    # Ends the session with this name if the block returns true for its data.
    def end_session(request, name)
      return unless stored? && (id = decrypted(name))

      sid, data = store.send(:find_session, request, Rack::Session::SessionId.new(id))
      store.send(:delete_session, request, sid, drop: true) if data.present? && yield(data)
    end

    def stored?
      store_class && store_class != ActionDispatch::Session::CookieStore
    end

    def store_class
      Rails.application.config.session_store
    end

    def store
      store_class.new(nil, Rails.application.config.session_options.dup)
    end

    def decrypted(name)
      encryptor.decrypt_and_verify(name.to_s)
    rescue ActiveSupport::MessageEncryptor::InvalidMessage
      nil
    end

    def encryptor
      key = Rails.application.key_generator.generate_key("qrgate session name", 32)
      serializer = ActiveSupport::MessageEncryptor::NullSerializer
      ActiveSupport::MessageEncryptor.new(key, cipher: "aes-256-gcm", serializer: serializer)
    end
  end
end
