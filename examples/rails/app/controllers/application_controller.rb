class ApplicationController < ActionController::Base
  helper_method :current_user

  private

  def current_user
    @current_user ||= User.find_by(id: session[:user_id], active: true) if session[:user_id]
  end

  # What a sign-in leaves in the session, with a fresh session: the one place that knows.
  def start_session_for(user)
    reset_session
    session[:user_id] = user.id
  end
end
