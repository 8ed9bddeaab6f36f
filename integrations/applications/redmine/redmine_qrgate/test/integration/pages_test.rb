# frozen_string_literal: true

require File.expand_path('../test_helper', __dir__)

class QrgatePagesTest < ActionDispatch::IntegrationTest
  include QrgateTestHelper

  setup { configure }

  test 'the sign-in page has a link that keeps where the person wanted to go' do
    get '/login', params: { back_url: 'http://www.example.com/issues?set_filter=1' }
    assert_select 'a[href="/qr/code/?next=%2Fissues%3Fset_filter%3D1"]', text: 'Sign in with your phone'
    ['', 'https://evil.example/', '//evil.example/'].each do |back_url|
      get '/login', params: { back_url: back_url }
      assert_select 'a[href="/qr/code/?next=%2Fmy%2Fpage"]'
    end
  end

  test 'the sign-in page leads a person who stays signed in back to the code' do
    Setting.autologin = '30'
    cookies['autologin'] = person('ana').generate_autologin_token
    get '/login', params: { back_url: '/qr/' }
    assert_redirected_to '/qr/'
    assert_not_nil whoami
    assert_not_includes whoami, 'auth_time'
  ensure
    Setting.autologin = '0'
  end

  test 'the sign-in page speaks the language of the browser' do
    get '/login', headers: { 'Accept-Language' => 'de' }
    assert_select 'a', text: 'Mit dem Handy anmelden'
  end

  test 'My account has the button, for administrators only where they are allowed' do
    sign_in person('ana')
    get '/my/account'
    assert_select 'a[href="/qr/"][data-method="post"]', text: 'Sign in on your phone'
    reset!
    sign_in person('root', admin: true)
    get '/my/account'
    assert_select 'a[href="/qr/"]', 0
    configure(administrators: '1')
    get '/my/account'
    assert_select 'a[href="/qr/"]'
  end

  test 'the settings page does not show the secret, and keeps it' do
    sign_in person('root', admin: true)
    get '/settings/plugin/redmine_qrgate'
    assert_select '#settings_secret[value=""]'
    assert_not_includes response.body, SECRET
    save(secret: '', origins: 'https://other.example ', administrators: '1', unknown: 'x')
    assert_equal({ 'secret' => SECRET, 'origins' => 'https://other.example', 'administrators' => '1' }, Setting.plugin_redmine_qrgate.to_h)
  end

  test 'the settings page refuses invalid values' do
    sign_in person('root', admin: true)
    { secret: 'hunter2', origins: 'other.example' }.each do |name, value|
      save(name => value)
      follow_redirect!
      assert_select '#flash_error'
    end
    assert_equal [SECRET, ORIGIN], Setting.plugin_redmine_qrgate.values_at('secret', 'origins')
  end

  test 'only administrators change the settings' do
    sign_in person('ana')
    save(secret: QrgateTestHelper.secret('b'))
    assert_response :forbidden
    assert_equal SECRET, Setting.plugin_redmine_qrgate['secret']
  end

  private

  def save(**settings)
    post '/settings/plugin/redmine_qrgate', params: { settings: settings }
  end
end
