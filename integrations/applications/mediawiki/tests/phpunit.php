<?php
// Runs PHPUnit inside the wiki in MW_INSTALL_PATH, whose LocalSettings.php loads the extension. Has what the tests use of
// MediaWiki's own test classes, which Debian's package lacks. In a checkout of MediaWiki they run with the real ones:
// composer phpunit -- extensions/QRGate

use MediaWiki\MediaWikiServices;
use PHPUnit\Framework\TestCase;

define( 'MEDIAWIKI', true );
define( 'MW_ENTRY_POINT', 'cli' );
define( 'MW_PHPUNIT_TEST', true );
$wgCommandLineMode = true;
$IP = getenv( 'MW_INSTALL_PATH' );
require "$IP/includes/BootstrapHelperFunctions.php";
require "$IP/includes/Setup.php";
require 'PHPUnit/Autoload.php';

/** The part of MediaWiki's class that the tests use. */
abstract class MediaWikiIntegrationTestCase extends TestCase {
	private array $overridden = [];

	protected function setUp(): void {
		RequestContext::resetMain();
		RequestContext::getMain()->setRequest( new FauxRequest() );
		foreach ( [ 'AuthManager', 'QRGate.Accounts', 'QRGate.Calls', 'QRGate.Sessions' ] as $name ) {
			$this->getServiceContainer()->resetServiceForTesting( $name );
		}
	}

	protected function tearDown(): void {
		foreach ( $this->overridden as $name => $value ) {
			$GLOBALS[$name] = $value;
		}
	}

	protected function getServiceContainer(): MediaWikiServices {
		return MediaWikiServices::getInstance();
	}

	protected function overrideConfigValue( string $key, $value ): void {
		$this->overridden += [ "wg$key" => $GLOBALS["wg$key"] ];
		$GLOBALS["wg$key"] = $value;
	}

	protected function getMutableTestUser( $groups = [] ): object {
		$user = User::createNew( 'Test ' . MWCryptRand::generateHex( 12 ), [ 'token' => MWCryptRand::generateHex( 32 ) ] );
		foreach ( (array)$groups as $group ) {
			$this->getServiceContainer()->getUserGroupManager()->addUserToGroup( $user, $group );
		}
		return new class( $user ) {
			public function __construct( private User $user ) {
			}

			public function getUser(): User {
				return $this->user;
			}
		};
	}
}

PHPUnit\TextUI\Command::main();
