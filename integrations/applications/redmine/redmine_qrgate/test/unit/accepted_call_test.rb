# frozen_string_literal: true

require File.expand_path('../test_helper', __dir__)

class QrgateAcceptedCallTest < ActiveSupport::TestCase
  Call = RedmineQrgate::AcceptedCall

  test 'a key is new only once' do
    assert Call.add('a:1', 900)
    assert_not Call.add('a:1', 900)
    assert Call.add('a:2', 900)
  end

  test 'a key is forgotten after its time, and so does Redmine with what is left' do
    Call.add('a:1', 900)
    Call.update_all(created_on: 901.seconds.ago)
    assert Call.add('a:1', 900)
    Call.update_all(created_on: 2.days.ago)
    Token.destroy_expired
    assert_equal 0, Call.where(action: Call::ACTION).count
  end

  test 'a key is no token of a person' do
    Call.add('a:1', 900)
    value = Call.find_by(action: Call::ACTION).value
    assert_nil Token.find_token(Call::ACTION, value)
    assert_not User.verify_session_token(0, value)
  end
end
