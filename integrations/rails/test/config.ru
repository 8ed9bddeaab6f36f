# A small application with the engine, in one file. The environment says how it signs people in (ACCOUNTS: plain, devise or
# generated) and where its sessions are (SESSIONS: cookie_store or cache_store).

$LOAD_PATH.unshift(File.expand_path("../lib", __dir__))
ENV["RAILS_ENV"] ||= "production"
require "rails"
require "active_record/railtie"
require "action_controller/railtie"
require "action_view/railtie"
if ENV["ACCOUNTS"] == "devise"
  require "action_mailer/railtie" # Devise has a mailer
  require "devise"
end
require "qrgate-rails"

DATA = ENV.fetch("DATA")
ENV["DATABASE_URL"] = "sqlite3:#{DATA}/site.sqlite3?timeout=30000"

class Notes < Rails::Application
  config.root = DATA
  config.load_defaults ENV["ACCOUNTS"] == "plain" ? 5.1 : 6.1 # one as an application that has grown old
  config.eager_load = true
  config.secret_key_base = "x" * 64 # a test
  config.cache_store = :file_store, File.join(DATA, "cache")
  config.session_store ENV.fetch("SESSIONS").to_sym, key: "_notes_session"
  config.logger = ActiveSupport::Logger.new($stderr)
  config.log_level = :warn
  config.relative_url_root = ENV["RELATIVE_URL_ROOT"]
end

class User < ActiveRecord::Base
  has_many :sessions
end

case ENV.fetch("ACCOUNTS")
when "devise"
  require "devise/orm/active_record"
  Devise.setup { |config| config.secret_key = "x" * 64 }

  class User
    devise :database_authenticatable, :rememberable, :trackable

    def active_for_authentication?
      super && active?
    end
  end
when "generated"
  # As Rails 8.0's generator writes them, without the pages.
  class Session < ActiveRecord::Base
    belongs_to :user
  end

  class Current < ActiveSupport::CurrentAttributes
    attribute :session
    delegate :user, to: :session, allow_nil: true
  end

  module Authentication
    extend ActiveSupport::Concern

    included do
      before_action :require_authentication
      helper_method :authenticated?
    end

    class_methods do
      def allow_unauthenticated_access(**options)
        skip_before_action :require_authentication, **options
      end
    end

    private

    def authenticated?
      resume_session
    end

    def require_authentication
      resume_session || request_authentication
    end

    def resume_session
      Current.session ||= find_session_by_cookie
    end

    def find_session_by_cookie
      Session.find_by(id: cookies.signed[:session_id]) if cookies.signed[:session_id]
    end

    def request_authentication
      session[:return_to_after_authenticating] = request.url
      redirect_to "/session/new"
    end

    def start_new_session_for(user)
      user.sessions.create!(user_agent: request.user_agent, ip_address: request.remote_ip).tap do |session|
        Current.session = session
        cookies.signed.permanent[:session_id] = { value: session.id, httponly: true, same_site: :lax }
      end
    end
  end
end

class ApplicationController < ActionController::Base
  include Authentication if defined?(Authentication)
  before_action { head :forbidden } # a wall that the hooks must not meet
end

class HomeController < ActionController::Base
  def show
    session[:visits] = session[:visits].to_i + 1 # the session's cookie is written again
    render inline: "<%= qrgate_button %><%= qrgate_signin_link next_path: '/a?b' %><%= qrgate_signin_link '<', next_path: '//evil' %>"
  end
end

Rails.application.routes.prepend do
  devise_for :users, skip: :all if defined?(Devise)
  post "/password", to: "password#create"
  root to: "home#show"
  mount QRGate::Engine => "/_qr"
end
Rails.application.initialize!

class PasswordController < ActionController::Base
  skip_forgery_protection raise: false

  def create
    allow_params_authentication!
    warden.authenticate!(scope: :user)
    head :no_content
  end
end

unless ActiveRecord::Base.connection.table_exists?(:users)
  ActiveRecord::Base.connection.execute("pragma journal_mode = wal")
  ActiveRecord::Schema.verbose = false
  ActiveRecord::Schema.define do
    create_table(:users) do |t|
      t.string :name, :email, :encrypted_password, :remember_token
      t.boolean :active
      t.boolean :admin, null: false, default: false
      t.integer :sign_in_count
      t.datetime :current_sign_in_at, :last_sign_in_at, :remember_created_at
      t.string :current_sign_in_ip, :last_sign_in_ip
    end
    create_table(:sessions) { |t| t.references :user; t.string :ip_address, :user_agent; t.timestamps }
  end
  User.reset_column_information
  %w[ana bob cleo root].each do |name|
    User.create!(name: name, active: name != "cleo", admin: name == "root") do |user|
      user.attributes = { email: "#{name}@example.com", password: name } if defined?(Devise)
    end
  end
end

run Rails.application
Rails.application.load_server
