# frozen_string_literal: true

# The hooks that qrgate calls. Redmine's filters that redirect people do not apply: a hook responds with a status.
class QrgateController < ApplicationController
  include QRGate::Hooks

  skip_before_action :session_expiration, :check_if_login_required, :check_password_change, :check_twofa_activation

  rescue_from QRGate::ConfigurationError do |error|
    logger.error error.message
    render json: {}, status: :internal_server_error
  end

  private

  # A hook opens a session only where a call asks for one.
  def try_to_autologin; end

  def accounts
    @accounts ||= RedmineQrgate::Accounts.new(self, settings)
  end

  def settings
    @settings ||= RedmineQrgate::Settings.configuration
  end

  def refusal
    l(:text_qrgate_refused)
  end
end
