class SessionsController < ApplicationController
  def new
    @next = local(params[:next])
  end

  def create
    user = User.find_by(name: params[:username].to_s, active: true)
    return redirect_to("/session/new", status: :see_other) unless user && params[:password] == user.name
    start_session_for user
    session["auth_time"] = Time.now.to_i # qrgate: when a password was typed
    redirect_to local(params[:next]), status: :see_other
  end

  def destroy
    reset_session
    redirect_to "/", status: :see_other
  end

  private

  # Only paths of this site: `//elsewhere` and `/\elsewhere` lead to another.
  def local(path)
    path.to_s.match?(%r{\A/(?![/\\])[^\x00-\x20\x7f]*\z}) ? path : "/"
  end
end
