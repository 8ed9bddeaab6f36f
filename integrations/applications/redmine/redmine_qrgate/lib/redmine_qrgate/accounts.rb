# frozen_string_literal: true

module RedmineQrgate
  # Redmine's users and sessions, for QRGate::Hooks.
  class Accounts < QRGate::Accounts::Plain
    # Redmine's filters have set User.current, but not checked the session's token.
    def current
      User.current if User.current.logged? && !@controller.session_expired?
    end

    # As AccountController#successful_authentication, without its redirect.
    def sign_in(user)
      @controller.logged_user = user
      user.update_last_login_on!
      @controller.call_hook(:controller_account_success_authentication_after, user: user)
    end

    def allowed?(user)
      Settings.allows?(user)
    end

    # The id of the session's row in the table `tokens`. Its value would sign people in; its id does not.
    def session_name(user)
      sessions(user.id).where(value: session[:tk]).pick(:id).to_s
    end

    # Deletes the row. Redmine replaces it when the session changes the password or sets up two-factor authentication:
    # then the person's later sessions end, of which one is the renamed session.
    def revoke(name, user_id)
      return unless [name, user_id].all? { |id| id.is_a?(String) && id.match?(/\A\d{1,18}\z/) }

      sessions(user_id).where(id: name).delete_all.positive? || sessions(user_id).where('id > ?', name.to_i).delete_all
    end

    private

    def sessions(user_id)
      Token.where(user_id: user_id, action: 'session')
    end
  end
end
