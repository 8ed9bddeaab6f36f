# frozen_string_literal: true

require File.expand_path('../test_helper', __dir__)

class QrgateHooksTest < ActionDispatch::IntegrationTest
  include QrgateTestHelper

  setup do
    configure
    @ana = person('ana')
  end

  test 'a sign-in by code opens a session as a password does' do
    sign_in_by_code @ana
    get '/my/account'
    assert_response :success
    assert_equal @ana.id, whoami['user_id'].to_i
    assert_in_delta Time.now, @ana.reload.last_login_on, 5
  end

  test 'the time of a password goes from session to session, and a code sets none' do
    sign_in @ana
    assert_in_delta Time.now.to_i, whoami['auth_time'], 5
    reset!
    sign_in_by_code @ana
    assert_not_includes whoami, 'auth_time'
    sign_in_by_code @ana, auth_time: 1_700_000_000
    assert_equal 1_700_000_000, whoami['auth_time']
  end

  test 'accounts that are locked or not activated, and administrators, get no session' do
    @ana.lock!
    refused = [@ana, person('new', status: User::STATUS_REGISTERED), person('root', admin: true), User.anonymous]
    refused.each do |user|
      call :login, user_id: user.id.to_s
      assert_response :not_found, user.login
      assert_equal 'This account cannot sign in.', JSON.parse(response.body)['message']
      assert_nil whoami
    end
  end

  test 'locking an account ends the session that a code opened' do
    sign_in_by_code @ana
    @ana.lock!
    assert_nil whoami
  end

  test 'a session that Redmine takes for expired identifies nobody' do
    Setting.session_lifetime = '60'
    sign_in @ana
    assert whoami
    Token.where(action: 'session').update_all(created_on: 61.minutes.ago)
    assert_nil whoami
  ensure
    Setting.session_lifetime = '0'
  end

  test 'whoami opens no session for the cookie that keeps people signed in' do
    Setting.autologin = '30'
    cookies['autologin'] = @ana.generate_autologin_token
    assert_nil whoami
    assert_equal 0, Token.where(action: 'session').count
  ensure
    Setting.autologin = '0'
  end

  test 'a person who must change the password or set up a second factor must do so on the phone' do
    @ana.update!(must_change_passwd: true)
    sign_in_by_code @ana
    get '/my/account'
    assert_redirected_to '/my/password'
    @ana.update!(must_change_passwd: false)
    Setting.twofa = '2'
    sign_in_by_code @ana
    get '/my/account'
    assert_match %r{/my/twofa/}, response.location
  ensure
    Setting.twofa = '1'
  end

  test 'a session ends after the time that the person chose' do
    verify_sessions do
      sign_in_by_code @ana, stay: 3600
      get '/my/account'
      assert_response :success
      assert_match(/expires=/i, response.headers['Set-Cookie'])
      travel 3601 do
        get '/my/account'
        assert_redirected_to(/login/)
      end
    end
  end

  test 'revoke ends a session by its name, also after it has changed the password' do
    verify_sessions do
      [-> {}, -> { change_password }].each do |before|
        name = sign_in_by_code @ana.reload
        before.call
        get '/my/account'
        assert_response :success
        call :revoke, user_id: @ana.id.to_s, session: name
        assert_response :no_content
        get '/my/account'
        assert_redirected_to(/login/)
      end
    end
  end

  test 'without a secret the login hook fails, and the log says why' do
    configure(secret: '')
    call :login, user_id: @ana.id.to_s
    assert_response :internal_server_error
  end

  test 'the hooks respond behind the wall of a Redmine that requires a sign-in' do
    Setting.login_required = '1'
    assert_nil whoami
    assert_response :unauthorized
    sign_in_by_code @ana
  ensure
    Setting.login_required = '0'
  end

  private

  def change_password
    post '/my/password', params: { password: 'ana-password', new_password: 'another-one', new_password_confirmation: 'another-one' }
    assert_redirected_to '/my/account'
  end
end
