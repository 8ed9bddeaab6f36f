require "rails"
require "active_record/railtie"
require "action_controller/railtie"
require "action_view/railtie"
require "qrgate-rails" # qrgate: with Bundler, a line of the Gemfile

# A small site with Rails. The lines for qrgate are marked "qrgate:".
class Notes < Rails::Application
  # Random, created on the first start.
  def self.kept(path)
    File.write(path, SecureRandom.hex(64), mode: File::WRONLY | File::CREAT | File::EXCL, perm: 0o600) unless File.exist?(path)
    File.read(path)
  end

  config.root = File.expand_path("..", __dir__)
  config.load_defaults 6.1
  config.eager_load = true
  config.secret_key_base = kept(File.join(ENV.fetch("DATA"), "rails.secret"))
  config.cache_store = :file_store, File.join(ENV.fetch("DATA"), "cache")
  config.session_store :cache_store, key: "_notes_session" # a real site on https: config.force_ssl = true
  config.logger = ActiveSupport::Logger.new($stderr)
  config.log_level = :warn
end
