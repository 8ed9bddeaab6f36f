# frozen_string_literal: true

require "active_support/concern"

module QRGate
  # The actions of the hooks. A controller that includes this may override the private methods `accounts`, `settings` and
  # `refusal`.
  module Hooks
    extend ActiveSupport::Concern

    included do
      skip_forgery_protection raise: false # not every application has it
      wrap_parameters false
      before_action { response.headers["Cache-Control"] = "no-store" }
    end

    # Returns the user of the session: 200 with the user, or 401.
    def whoami
      return render(json: {}, status: :unauthorized) unless (user = accounts.current)

      auth_time = session["auth_time"]
      content = { qrgate: 1, user_id: accounts.id_of(user), name: accounts.name_of(user), allow: accounts.allowed?(user) }
      content[:auth_time] = auth_time if auth_time.is_a?(Integer)
      render json: content
    end

    # Opens a session for the phone: 200 with its name, 204 if it has none, 401 or 404.
    def login
      return refuse unless (message = accepted("qr.login"))

      user = accounts.find(message["user_id"])
      unless user && accounts.allowed?(user)
        return render(json: { message: refusal }, status: :not_found)
      end

      open_session(user, message)
      name = accounts.session_name(user)
      name ? render(json: { session: name }) : head(:no_content)
    end

    # Ends a session that the login hook named: 204, also if it has already ended; 401.
    def revoke
      return refuse unless (message = accepted("qr.revoke"))

      accounts.revoke(message["session"], message["user_id"])
      head :no_content
    end

    private

    def open_session(user, message)
      request.env["qrgate.message"] = message # for the application's own listeners
      accounts.sign_in(user)
      session["auth_time"] = message["auth_time"] if message["auth_time"].is_a?(Integer)
      stay = message["stay"]
      accounts.stay(stay) if stay == "browser" || (stay.is_a?(Integer) && stay.positive?)
    end

    # The message of the call, or nil.
    def accepted(type)
      Signature.accepted(
        request.raw_post, request.headers, type: type, path: request.path, configuration: settings
      )
    end

    def refuse
      render json: { message: "The call was not accepted." }, status: :unauthorized
    end

    # The message for a person whose account cannot sign in.
    def refusal
      "This account cannot sign in."
    end

    def accounts
      @accounts ||= Accounts.of(self, settings)
    end

    def settings
      QRGate.configuration
    end
  end
end
