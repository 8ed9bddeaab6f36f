class ApplicationController < ActionController::Base
  helper_method :current_user

  private

  def current_user
    @current_user ||= User.find_by(id: session[:user_id], active: true) if session[:user_id]
  end

  # Stores a sign-in in a new session.
  def start_session_for(user)
    reset_session
    session[:user_id] = user.id
  end
end
