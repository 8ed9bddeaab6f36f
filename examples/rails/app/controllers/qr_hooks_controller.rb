# The two hooks of qrgate 0.1. `whoami` returns the user of a session. `login` opens a session for a phone: qrgate signs that
# call (Standard Webhooks) with a secret that only qrgate and this application have. Clients get a 404 from qrgate for both.
class QrHooksController < ApplicationController
  skip_forgery_protection only: :login

  def whoami
    return render(json: {}, status: :unauthorized) unless current_user
    response.headers["Cache-Control"] = "no-store"
    render json: { user_id: current_user.id.to_s, name: current_user.name }
  end

  def login
    return head(:unauthorized) unless (message = qr_message)
    user = User.find_by(id: message["user_id"], active: true)
    return render(json: { message: "This account cannot sign in." }, status: :not_found) unless user
    start_session_for user           # your own sign-in; at least: reset_session; session[:user_id] = user.id
    head :no_content
  end

  private

  def qr_message
    id, ts, sigs = %w[id timestamp signature].map { |n| request.headers["webhook-#{n}"].to_s }
    wanted = qr_keys.map { |key| "v1," + [OpenSSL::HMAC.digest("SHA256", key, "#{id}.#{ts}.#{request.raw_post}")].pack("m0") }
    return unless sigs.split(" ").product(wanted).any? { |sig, want| ActiveSupport::SecurityUtils.secure_compare(want, sig) }
    return unless ts.match?(/\A\d{1,12}\z/) && (Time.now.to_i - ts.to_i).abs <= 60
    message = JSON.parse(request.raw_post)
    message if qr_for_this_site?(message) && qr_first_use("#{id}:#{ts}")
  end

  # The keys of QRGATE_HOOK_SECRET, or of the file QRGATE_HOOK_SECRET_FILE: one secret, or two during a rotation.
  def qr_keys
    file = ENV["QRGATE_HOOK_SECRET_FILE"]
    keys = (file ? File.read(file) : ENV["QRGATE_HOOK_SECRET"].to_s).split.map { |s| s.delete_prefix("whsec_").unpack1("m") }
    raise "QRGATE_HOOK_SECRET is missing or too short" if keys.empty? || keys.any? { |key| key.bytesize < 32 }
    keys
  end

  # Whether the call was signed for this hook. Compares with a setting, because a caller chooses its own Host.
  def qr_for_this_site?(message)
    origin = message["origin"]
    message.values_at("type", "method", "url") == ["qr.login", "POST", "#{origin}/_qr/login"] &&
      ENV.fetch("QRGATE_ORIGINS").split.include?(origin)   # the site's public origins: https://app.example.com
  end

  # True once per key. The table: create_table(:qr_uses) { |t| t.string :key, index: { unique: true }; t.datetime :created_at }
  def qr_first_use(key)
    QrUse.where("created_at < ?", 15.minutes.ago).delete_all
    QrUse.create!(key: key).persisted?
  rescue ActiveRecord::RecordNotUnique
    false
  end
end
