# frozen_string_literal: true

module QRGate
  # How the application signs people in. `Accounts.of(controller)` picks one of three ways; blocks of the configuration
  # replace their parts.
  module Accounts
    def self.of(controller, configuration)
      kind = if devise?(configuration) then Devise
             elsif rails8? then Generated
             else Plain
             end
      kind.new(controller, configuration)
    end

    def self.devise?(configuration)
      defined?(::Devise) && ::Devise.mappings.key?(configuration.scope)
    end

    # The files of `bin/rails generate authentication`: a concern, and a model for sessions.
    def self.rails8?
      concern = "Authentication".safe_constantize
      concern.is_a?(Module) && concern.private_method_defined?(:start_new_session_for) &&
        "Session".safe_constantize.respond_to?(:find_by)
    end

    # The id of a user in a key of the session.
    class Plain
      def initialize(controller, configuration)
        @controller = controller
        @configuration = configuration
      end

      # The active user of the request's session, or nil.
      def current
        user = @configuration.current_user ? run(@configuration.current_user) : session_user
        user if user && active?(user)
      end

      # The active user with this id, which is text, or nil.
      def find(id)
        return unless id.is_a?(String) && id.present?

        user = @configuration.load ? run(@configuration.load, id) : user_class.find_by(id: id)
        # A database may read "1x" as 1.
        user if user && id_of(user) == id && active?(user)
      end

      # Signs the user in, in a fresh session.
      def sign_in(user)
        @controller.reset_session
        @configuration.login ? run(@configuration.login, user) : login(user)
      end

      def id_of(user)
        (@configuration.user_id ? run(@configuration.user_id, user) : user.id).to_s
      end

      def name_of(user)
        return run(@configuration.name, user).to_s if @configuration.name

        method = %i[name username email_address email].find { |name| user.respond_to?(name) }
        method ? user.public_send(method).to_s : ""
      end

      # Whether this person may sign in by code. Administrators may not, unless the configuration says otherwise.
      def allowed?(user)
        return run(@configuration.allow, user) == true if @configuration.allow

        !(user.respond_to?(:admin?) && user.admin?)
      end

      # The name by which qrgate can ask for the session's end, or nil.
      def session_name(user)
      return unless owner(session.to_hash) == id_of(user)

      session.options[:renew] = false # the session is new, and a renewed id would not match this name
        SessionName.of(@controller.request)
      end

      # Ends a session of this user.
      def revoke(name, user_id)
        SessionName.end_session(@controller.request, name) { |data| owner(data.stringify_keys) == user_id }
      end

      # The session lasts until the browser ends, or for some seconds. `QRGate::Stay` repeats this in each response.
      def stay(length)
        session[Stay::KEY] = length == "browser" ? length : Time.now.to_i + length
      end

      private

      def login(user)
        session[@configuration.session_key] = user.id
      end

      def session_user
        id = session[@configuration.session_key]
        user_class.find_by(id: id) if id.present?
      end

      # The id of the user in a session's data.
      def owner(data)
        data[@configuration.session_key.to_s]&.to_s
      end

      def user_class
        @configuration.user_class
      end

      def session
        @controller.session
      end

      def active?(user)
        return run(@configuration.active, user) if @configuration.active

        method = %i[active_for_authentication? active?].find { |name| user.respond_to?(name) }
        method.nil? || user.public_send(method)
      end

      def run(block, *arguments)
        @controller.instance_exec(*arguments, &block)
      end
    end

    # Devise: a scope of Warden.
    class Devise < Plain
      private

      def login(user)
        @controller.sign_in(@configuration.scope, user)
      end

      def session_user
        @controller.warden.authenticate(scope: @configuration.scope)
      end

      def owner(data)
        Array(data["warden.user.#{@configuration.scope}.key"]).flatten.first&.to_s
      end

      def user_class
        ::Devise.mappings.fetch(@configuration.scope).to
      end
    end

    # What `bin/rails generate authentication` writes (Rails 8): a row for each session, in the signed cookie
    # session_id.
    class Generated < Plain
      def session_name(user)
        ::Current.session.id.to_s if ::Current.session&.user == user
      end

      def revoke(name, user_id)
        row = ::Session.find_by(id: name)
        row.destroy if row && row.id.to_s == name && id_of(row.user) == user_id
      end

      def stay(length)
        cookie = { value: ::Current.session.id, httponly: true, same_site: :lax }
        cookie[:expires] = Time.now + length unless length == "browser"
        @controller.send(:cookies).signed[:session_id] = cookie
      end

      private

      def login(user)
        @controller.send(:start_new_session_for, user)
      end

      def session_user
        @controller.send(:resume_session)
        ::Current.user
      end
    end
  end
end
