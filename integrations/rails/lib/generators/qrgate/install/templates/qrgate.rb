# The hooks of qrgate. Each setting has a default; see the README of qrgate-rails.
#
# The secret comes from QRGATE_HOOK_SECRET_FILE or QRGATE_HOOK_SECRET, the origins from QRGATE_ORIGINS.
QRGate.configure do |config|
  # config.secret = Rails.application.credentials.qrgate_hook_secret
  # config.origins = "https://app.example.com"

  # Where neither Devise nor Rails' own authentication signs people in:
  # config.user_class = "User"
  # config.session_key = :user_id

  # Administrators (user.admin?) sign in by password only.
  # config.allow { |user| !user.admin? }

  # Accepted calls, where processes on several computers have no Redis or memcached as Rails.cache.
  # config.replay = MyStore.new
end
