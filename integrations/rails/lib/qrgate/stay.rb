# frozen_string_literal: true

module QRGate
  # Rack middleware below the session store. A person may have chosen how long the session on the phone lasts; Rails
  # writes the session's cookie again whenever the session changes, with the application's own length. This replaces it
  # by the chosen one. Costs a look at sessions that the request has loaded, and nothing for others.
  class Stay
    # In the session: the Unix time of its end, or "browser".
    KEY = "qrgate.until"

    def initialize(app)
      @app = app
    end

    def call(env)
      @app.call(env).tap { self.class.apply(env["rack.session"]) }
    end

    # Gives the session's cookie the chosen length, for an application that cannot add this middleware.
    def self.apply(session)
      return unless session.respond_to?(:loaded?) && session.loaded? && (ends = session[KEY])

      session.options[:expire_after] = ends == "browser" ? nil : [ends - Time.now.to_i, 0].max
    end
  end
end
