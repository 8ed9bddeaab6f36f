# frozen_string_literal: true

helper = File.expand_path('../../../test/test_helper.rb', __dir__)
if File.exist?(helper)
  require helper
else # Debian's package of Redmine has no tests
  require File.expand_path('../../../config/environment', __dir__)
  require 'rails/test_help'
end

module QrgateTestHelper
  ORIGIN = 'https://redmine.example.com'

  def self.secret(letter)
    "whsec_#{[letter * 32].pack('m0')}"
  end

  SECRET = secret('a')

  # Settings of the plugin.
  def configure(**values)
    Setting.plugin_redmine_qrgate = { 'secret' => SECRET, 'origins' => ORIGIN }.merge(values.transform_keys(&:to_s))
  end

  # A user whose password is the name followed by "-password".
  def person(login, **attributes)
    user = User.new(firstname: login, lastname: 'Example', mail: "#{login}@example.com", language: 'en', **attributes)
    user.login = login
    user.password = "#{login}-password"
    user.save!
    user
  end

  def sign_in(user)
    post '/login', params: { username: user.login, password: "#{user.login}-password" }
  end

  # A signed call of a hook.
  def call(hook, **members)
    url = "#{ORIGIN}/_qr/#{hook}"
    body = { type: "qr.#{hook}", method: 'POST', origin: ORIGIN, url: url, **members }.to_json
    id = SecureRandom.hex
    content = "#{id}.#{Time.now.to_i}.#{body}"
    signature = [OpenSSL::HMAC.digest('SHA256', 'a' * 32, content)].pack('m0')
    headers = { 'webhook-id' => id, 'webhook-timestamp' => Time.now.to_i.to_s, 'webhook-signature' => "v1,#{signature}" }
    post "/_qr/#{hook}", params: body, headers: headers.merge('content-type' => 'application/json')
  end

  # Signs a person in by code, and gives the name of the session.
  def sign_in_by_code(user, **members)
    call :login, user_id: user.id.to_s, **members
    assert_response :success
    JSON.parse(response.body)['session']
  end

  # The response of the identify hook, or nil for 401.
  def whoami
    get '/_qr/whoami'
    JSON.parse(response.body) if response.status == 200
  end

  # Redmine's environment for tests does not check the tokens of sessions.
  def verify_sessions
    config = Rails.application.config
    before = config.redmine_verify_sessions
    config.redmine_verify_sessions = true
    yield
  ensure
    config.redmine_verify_sessions = before
  end
end
