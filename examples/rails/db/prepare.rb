# Creates the tables and the accounts on the first start.
require_relative "../config/environment"

ActiveRecord::Base.connection.execute("pragma journal_mode = wal")
ActiveRecord::Schema.verbose = false
ActiveRecord::Schema.define do
  create_table(:users) { |t| t.string :name; t.boolean :active } unless table_exists?(:users)
end
# The passwords are the names: never do this in a real site. cleo's account is deactivated.
{ "ana" => true, "bob" => true, "cleo" => false }.each { |name, active| User.find_or_create_by!(name: name) { |user| user.active = active } }
